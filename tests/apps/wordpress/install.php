<?php
// What WordPress's installation page does, from the command line: its tables, and an administrator.
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = 'localhost';
// It would send an e-mail about it.
function wp_new_blog_notification($title, $url, $user, $password)
{
}
require $argv[1] . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
$made = wp_install('A blog', 'admin', 'admin@example.com', true, '', 'correct horse');
exit(is_int($made['user_id']) && $made['user_id'] > 0 ? 0 : 1);
